"""What a page shows with everything it asks the server to do: that it is ours, and whose it is.

A browser carries cookies and logins into the requests of any site; it never lets a site of another origin read our
page, nor send a header of its own without asking first, which is refused. So a post without the page's word is not
from our page. The visitor's word is handed out with the page's first answer and ties what comes outside the queue,
such as an upload, to the one whose share it takes.
"""

from __future__ import annotations

import hashlib
import hmac

from core.runs.quotas import owner_mark

PAGE_HEADER, VISITOR_HEADER = "x-taskloom-page", "x-taskloom-visitor"
STALE_HEADER = "x-taskloom-stale"  # of an answer to a page whose word is no longer the one

# Before all other scripts: what they post carries both words. `TOKEN` is put in for each page. A page whose word
# has become another one, as when the workspace is a new one, opens itself again: once for a word and once a minute.
SCRIPT = """
(() => {
  const ask = window.fetch;
  const reopen = () => {
    try {
      const [word, at] = (sessionStorage.getItem('taskloom-reopened') ?? '').split(' ');
      if (word === 'TOKEN' || Date.now() - Number(at ?? 0) < 60000) return;
      sessionStorage.setItem('taskloom-reopened', `TOKEN ${Date.now()}`);
    } catch { return; }
    location.reload();
  };
  window.fetch = (what, how = {}) => {
    const url = new URL(what.url ?? what, location.href);
    const method = (how.method ?? what.method ?? 'GET').toUpperCase();
    if (url.origin !== location.origin || method === 'GET') return ask(what, how);
    const headers = new Headers(how.headers ?? what.headers);
    const visitor = document.querySelector('[data-visitor]')?.dataset.visitor;
    headers.set('x-taskloom-page', 'TOKEN');
    if (visitor) headers.set('x-taskloom-visitor', visitor);
    return ask(what, {...how, headers}).then(answer => {
      if (answer.status === 403 && answer.headers.has('x-taskloom-stale')) reopen();
      return answer;
    });
  };
})();
"""


def page_token(key: str) -> str:
    """The page's word; the same after a restart, so that pages that are open go on."""
    return _sign(key, "page")


def visitor_token(key: str, owner: str) -> str:
    """The word of a visitor, who is in it as a mark only."""
    mark = owner_mark(owner)
    return f"{mark}.{_sign(key, mark)}"


def mark_of(key: str, token: str) -> str:
    """The visitor's mark, "" when the word was not given by this workspace."""
    mark, _, signed = token.partition(".")
    return mark if mark and is_same(signed, _sign(key, mark)) else ""


def is_same(one: str, other: str) -> bool:
    """Compares without telling by time how much is right."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _sign(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]
