"""Two pages of other sites in real browsers, one of another port and one of another name, try to drive ours."""

from __future__ import annotations

import http.server
import threading

from playwright.sync_api import sync_playwright

from tests.browser.driving import ARGUMENTS, CHROMIUM, wait_until_open
from tests.security.conftest import SharedPage

ATTACK = """async address => {
  const tries = [{}, {headers: {'X-Forwarded-Host': location.host}}, {headers: {'x-taskloom-page': '0'}}];
  const done = [];
  for (const more of tries) for (const mode of ['cors', 'no-cors']) {
    try { done.push((await fetch(address + '/gradio_api/queue/join', {method: 'POST', mode, credentials: 'include',
      body: JSON.stringify({data: [], fn_index: 0, session_hash: 'x'}), ...more})).status); }
    catch (error) { done.push('refused'); }
  }
  try { done.push((await (await fetch(address + '/config')).text()).length); }
  catch (error) { done.push('unread'); }
  return done;
}"""

WRITTEN_IN = """() => {
  const script = document.createElement('script');
  script.textContent = 'window.ran = 1';
  document.body.append(script);
  return window.ran ?? 0;
}"""


def other_sites(page: SharedPage) -> tuple[bool, str]:
    """A page of another port, and of another name while this one is allowed by name."""

    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    names = ["--host-resolver-rules=MAP box.lan 127.0.0.1, MAP evil.example 127.0.0.1"]
    own = page.address.replace("127.0.0.1", "box.lan")
    before, seen, shown = len(page.workspace.list_projects()), [], []
    with sync_playwright() as playwright:
        for site, target in (("127.0.0.1", page.address), ("evil.example", own)):
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*ARGUMENTS, *names])
            tab = browser.new_page()
            tab.goto(f"http://{site}:{server.server_port}/")
            seen += tab.evaluate(ATTACK, target)
            tab.goto(page.address)
            wait_until_open(tab)
            shown.append(tab.evaluate(WRITTEN_IN))
            browser.close()
    server.shutdown()
    good = set(seen) <= {0, "refused", "unread", 403} and not any(shown)
    how = f"{len(seen)} requests of a page of another port and of another name: {sorted(set(map(str, seen)))}"
    how += f"; a script written into our page ran: {any(shown)}"
    return good and len(page.workspace.list_projects()) == before, how
