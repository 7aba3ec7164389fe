// Drawing of the plots (`app/drawing/widgets.py`, `live_plot.py`), one file for all of a page's places.
// `parts`: what Gradio gives a script of gr.HTML: {element, props, watch, trigger}.
//
// Plotly.react updates in place (nothing remounted; `uirevision` keeps a zoom while the traces are the same); text
// takes the page's colour in light and dark. The figure is drawn again when the place becomes visible, since a
// hidden tab has no width. Plotly's own bar of buttons would lie over the legend: what is needed of it stands below.
(() => {
const DARKER = '#0072B2', LIGHTER = '#56B4E9';  // the same line on white and on dark

// `read(dark)`: the figure of now, or null.
function draws({element, props, watch, trigger}, read) {
  const place = element.querySelector('.plot-place'), files = element.querySelector('.plot-files');
  let offered = null, whole = null, views = 0;
  function offer(label, act) {
    const button = document.createElement('button');
    button.type = 'button'; button.textContent = label; button.onclick = act;
    files.appendChild(button);
    return button;
  }
  function zoomed(is) {
    whole.textContent = document.querySelector('#tools [data-whole]')?.dataset.whole || '1:1';
    whole.style.display = is ? '' : 'none';
  }
  function fitPhone(figure) {
    const layout = figure.layout, scale = layout.coloraxis?.colorbar;
    layout.dragmode = false;  // a finger scrolls the page
    if (scale) {  // above the cells, which need the width
      const above = {orientation: 'h', x: 0.5, xanchor: 'center', y: 1, yanchor: 'bottom', len: 1, thickness: 8};
      Object.assign(scale, above);
      layout.margin.t += 22; layout.height += 22;
    }
    for (const trace of figure.data) if (trace.type === 'heatmap' && trace.x.length > 10)
      Object.assign(trace, {xgap: 0.5, texttemplate: ''});
    for (const trace of figure.data) if (trace.type === 'heatmap' && trace.x.length > 2 && !layout.xaxis.tickangle)
      layout.xaxis.tickangle = -45;  // names of columns lie over each other else
  }
  // Plotly writes numbers in white or dark grey, too pale on cells between light and dark. Black or white, whichever
  // differs more from the cell (WCAG's relative luminance), is 4.5 to 1 or better on every colour.
  function luminance(axis, z) {
    const at = Math.min(1, Math.max(0, (z - axis.cmin) / (axis.cmax - axis.cmin))), scale = axis.colorscale;
    const i = Math.max(1, scale.findIndex(stop => stop[0] >= at));
    const [[from, low], [to, high]] = scale.slice(i - 1, i + 1);
    return [0.2126, 0.7152, 0.0722].reduce((sum, weight, k) => {
      const [a, b] = [low, high].map(hex => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16));
      const c = (a + (b - a) * (at - from) / (to - from)) / 255;
      return sum + weight * (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    }, 0);
  }
  function inkNumbers() {
    for (const number of place.querySelectorAll('.heatmap-label text')) {
      const z = number.__data__?.z, trace = number.closest('.hm')?.__data__?.[0]?.trace;
      const axis = place._fullLayout?.[trace?.coloraxis];
      if (axis && Number.isFinite(z)) number.style.fill = luminance(axis, z) > 0.179 ? '#000' : '#fff';
    }
  }
  function watchZoom() {
    if (place.watched) return;
    place.watched = true;
    place.on('plotly_afterplot', inkNumbers); inkNumbers();
    place.on('plotly_relayout', change => {
      if (Object.keys(change).some(key => /^[xy]axis\d*\.range/.test(key))) zoomed(true);
    });
    place.on('plotly_click', event => {
      const point = event.points[0];
      if (place.clicks && point) trigger('click', {row: point.y, column: place.clicks[point.x] ?? point.x});
    });
    place.on('plotly_doubleclick', () => setTimeout(() => zoomed(false), 0));
  }
  function offerFiles(csv) {
    const wanted = JSON.stringify(csv || null);
    if (wanted === offered) return;
    offered = wanted;
    files.replaceChildren();
    whole = offer('', () => { views++; zoomed(false); draw(); });
    zoomed(false);
    const name = (csv && csv.name) || 'taskloom';
    for (const format of ['png', 'svg'])
      offer(format.toUpperCase(), () => Plotly.downloadImage(place, {format, filename: name, scale: 2}));
    if (!csv) return;
    offer('CSV', () => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob(['\ufeff' + csv.text], {type: 'text/csv'}));
      link.download = name + '.csv'; link.click(); URL.revokeObjectURL(link.href);
    });
  }
  async function draw() {
    files.style.display = props.value ? '' : 'none';
    if (!props.value) { place.style.display = 'none'; return; }
    place.style.display = '';
    for (let i = 0; i < 600 && !window.Plotly; i++) await new Promise(r => setTimeout(r, 100));
    if (!window.Plotly) return;
    const dark = document.body.classList.contains('dark'), style = getComputedStyle(element);
    const figure = read(dark);
    if (!figure) return;
    const ink = style.getPropertyValue('--body-text-color').trim() || '#444';
    const line = style.getPropertyValue('--border-color-primary').trim() || '#ccc';
    figure.layout.font = {...(figure.layout.font || {}), color: ink, family: style.fontFamily};
    for (const key of Object.keys(figure.layout)) if (/^[xy]axis/.test(key)) {
      figure.layout[key] = {gridcolor: line, zerolinecolor: line, linecolor: line, ...figure.layout[key]};
    }
    for (const trace of figure.data) for (const bars of [trace.error_x, trace.error_y]) if (bars) bars.color = ink;
    const meta = figure.layout.meta || {};
    if (meta.panels) {
      const columns = Math.max(1, Math.min(4, meta.panels, Math.floor((element.offsetWidth || 900) / 270)));
      const rows = Math.ceil(meta.panels / columns);
      figure.layout.grid = {...figure.layout.grid, columns, rows};
      figure.layout.height = 70 + rows * meta.panel_height;
    }
    if (dark && meta.dark_scale) figure.layout.coloraxis.colorscale = meta.dark_scale;
    for (const [axis, scale] of Object.entries(meta.dark_scales || {}))
      if (dark) figure.layout[axis].colorscale = scale;
    place.clicks = meta.click;
    place.classList.toggle('can-click', !!meta.click);
    if ((element.offsetWidth || 900) < 560) fitPhone(figure);
    figure.layout.uirevision = views + figure.data.map(trace => trace.name || trace.type).join('|');
    place.style.height = (figure.layout.height || 320) + 'px';
    offerFiles(meta.csv);
    await Plotly.react(place, figure.data, figure.layout, {responsive: true, displayModeBar: false});
    watchZoom();
  }
  draw(); watch('value', draw);
  let wasDark = document.body.classList.contains('dark');
  new MutationObserver(() => {
    const dark = document.body.classList.contains('dark');
    if (dark !== wasDark) { wasDark = dark; draw(); }
  }).observe(document.body, {attributes: true, attributeFilter: ['class']});
  new ResizeObserver(() => {
    if (place.offsetWidth && window.Plotly && place.data) Plotly.Plots.resize(place);
  }).observe(element);
}

// The whole figure, given as JSON text.
window.taskloomPlot = parts => draws(parts, dark => {
  const text = parts.props.value;
  return JSON.parse(dark ? text.replaceAll(DARKER, LIGHTER) : text);
});

const MOST = 800;  // points of a curve
function grow(trace, xs, ys) {
  let x = [...trace.x], y = [...trace.y];
  while (x.length && x[x.length - 1] >= xs[0]) { x.pop(); y.pop(); }
  x.push(...xs); y.push(...ys);
  if (x.length > MOST) {
    const nx = [], ny = [];
    for (let i = 0; i + 1 < x.length; i += 2) { nx.push(x[i + 1]); ny.push((y[i] + y[i + 1]) / 2); }
    if (x.length % 2) { nx.push(x[x.length - 1]); ny.push(y[y.length - 1]); }
    x = nx; y = ny;
  }
  trace.x = x; trace.y = y;
}

// A figure that grows: the whole one once, then news that follow it. `held` is what the browser shows. A resumed run
// replaces its later steps; a long curve is halved by averaging.
window.taskloomLivePlot = parts => {
  const {props, trigger} = parts;
  let held = null, number = -1;
  function current(dark) {
    const news = JSON.parse(props.value);
    if (news.data) { held = news; number = news.layout.meta.number; }
    else if (held && news.number === number + 1) {
      for (const [trace, [xs, ys]] of Object.entries(news.add)) grow(held.data[trace], xs, ys);
      number = news.number;
    } else if (!held || news.number > number) trigger('click', {id: 'again'});
    if (!held) return null;
    const lighter = line => dark && line?.color === DARKER ? {...line, color: LIGHTER} : line;
    return {data: held.data.map(t => ({...t, line: lighter(t.line)})), layout: structuredClone(held.layout)};
  }
  draws(parts, current);
};
})();
