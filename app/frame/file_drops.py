"""What every file field does with what is dropped or chosen: folders are opened, files that do not fit are named.

Gradio uploads a folder as a file without an ending and answers a wrong ending in English, with a field that must be
closed by hand. Here the files of a folder (and of those in it) are handed on where their endings fit, others in it
are passed over; a single file that does not fit is named below the field, in the page's language, and uploads
nothing. What is uploaded is checked again by the server.
"""

from __future__ import annotations

# `accept` of the hidden input lists the endings that a field takes. Listeners sit on the document, in the capturing
# phase, so that they come before Gradio's own; entries of a drop are gone after the first await.
FILE_DROPS = """
const DEEPEST = 3, MOST_FILES = 500, MOST_NAMED = 8;
const endings = input => (input.accept || '').toLowerCase().split(',').map(s => s.trim()).filter(s => s[0] === '.');
const fits = (name, known) => !known.length || known.some(ending => name.toLowerCase().endsWith(ending));
function refuse(input, names) {
  const block = input.closest('.block');
  const said = element.querySelector('[data-refused]')?.dataset.refused || '{file}';
  for (const old of block.parentElement.querySelectorAll(':scope > .refused')) old.remove();
  if (!names.length) return;
  const list = document.createElement('ul');
  const known = endings(input).filter(ending => !/\\..*\\./.test(ending)).join(' ');  // .gz, but not .csv.gz
  list.className = 'list refused'; list.setAttribute('role', 'alert');
  for (const name of names.slice(0, MOST_NAMED)) {
    const item = document.createElement('li');
    item.className = 'bad'; item.textContent = said.replace('{known}', known).replace('{file}', name);
    list.append(item);
  }
  block.insertAdjacentElement('afterend', list);
}
function handOn(input, files, refused) {
  refuse(input, refused);
  if (!files.length) return;
  const box = new DataTransfer();
  for (const file of files.slice(0, input.multiple ? MOST_FILES : 1)) box.items.add(file);
  input.files = box.files; input.sorted = true;
  input.dispatchEvent(new Event('change', {bubbles: true}));
}
async function filesIn(entry, depth) {
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader(), found = [];
  while (depth < DEEPEST && found.length < MOST_FILES) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    for (const one of some) if (one.name[0] !== '.') found.push(...await filesIn(one, depth + 1));
  }
  return found;
}
async function sortDrop(block, entries) {
  const inputOf = () => (document.getElementById(block.id) || block).querySelector('input[type=file]');
  const known = endings(inputOf()), taken = [], refused = [];
  for (const entry of entries) {
    const fitting = (await filesIn(entry, 0)).filter(file => fits(file.name, known));
    taken.push(...fitting);
    if (!fitting.length) refused.push(entry.name);
  }
  const input = inputOf();  // a redraw meanwhile has put another one in its place
  if (input) handOn(input, taken, refused);
}
if (!window.taskloomDrops) {
  window.taskloomDrops = true;
  document.addEventListener('drop', event => {
    const block = event.target.closest?.('.block'), input = block?.querySelector('input[type=file]');
    const entries = [...(event.dataTransfer?.items || [])].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!input || !entries.length) return;
    event.preventDefault(); event.stopImmediatePropagation();
    for (let i = 0; i < 4; i++)  // the field no longer looks as if something hung over it
      event.target.dispatchEvent(new DragEvent('dragleave', {bubbles: true}));
    sortDrop(block, entries);
  }, true);
  document.addEventListener('change', event => {
    const input = event.target;
    if (input.type !== 'file') return;
    if (input.sorted) { input.sorted = false; return; }
    const chosen = [...input.files], taken = chosen.filter(file => fits(file.name, endings(input)));
    if (taken.length === chosen.length) { refuse(input, []); return; }
    event.stopImmediatePropagation();
    handOn(input, taken, chosen.filter(file => !taken.includes(file)).map(file => file.name));
  }, true);
}
"""
