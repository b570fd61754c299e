// Comforts on top of pages that work without scripts.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => Array.from(root.querySelectorAll(selector));

/** The module that makes SSH keys: loaded only by pages that need it. */
const keysModule = () => import($('meta[name="keys-module"]').content);

/* Theme */
const toggle = $("[data-theme-toggle]");
if (toggle) {
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* the choice lasts as long as the page */ }
  });
}

/* The account menu closes when one clicks elsewhere or presses Escape. */
const menu = $(".menu");
if (menu) {
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { menu.open = false; $("summary", menu).focus(); }
  });
}

/* Filters act at once. */
for (const form of $$("[data-autosubmit]")) {
  $("[data-autosubmit-button]", form).hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
}

/* A second click on a button that writes would ask twice; the key makes it harmless, this makes it visible. */
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  setTimeout(() => { for (const button of $$("button[type=submit]", event.target)) button.disabled = true; });
});
addEventListener("pageshow", () => { for (const button of $$("button[disabled]")) button.disabled = false; });

/* Copy buttons work on whatever is on the page now. */
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.lastChild;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText($(button.dataset.copy).textContent.trim());
    label.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($(button.dataset.copy));
    label.textContent = "Press Ctrl-C";
  }
  setTimeout(() => { label.textContent = before; }, 2000);
});

/** Times in the reader's own time zone, and parts that need scripts. */
const enliven = (root) => {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of $$("time[datetime]", root)) {
    time.title = time.textContent;
    time.textContent = format.format(new Date(time.dateTime));
  }
  for (const element of $$(".js-only[data-copy], p.js-only:has(> button)", root)) element.hidden = false;
  const login = $("[data-login]", root);
  if (login) enlivenLogin(login);
};

/** The private key's button, if this browser holds the key that the certificate is for. */
const enlivenLogin = async (login) => {
  const keys = await keysModule();
  if (!keys.supported()) return;
  const key = await keys.load().catch(() => null);
  const message = $("[data-key-message]", login);
  const button = $("[data-private-key]", login);
  if (login.dataset.certificate && button) {
    if (key && keys.matches(key, login.dataset.certificate)) {
      button.hidden = false;
      button.onclick = () => keys.save("cloudapp", keys.privateFile(key));
      message.textContent = "The private key was made in this browser and is only here. Download it once; it works for all your machines.";
    } else {
      message.textContent = key
        ? "The certificate is for another key than this browser’s. Use that key, or ask for a certificate for this browser’s key below."
        : "The certificate is for the key that you gave.";
    }
    message.hidden = false;
  }
  // A page that answers a request for a certificate shows the newest one: its files are made from the page itself.
  if (!$("[data-live]")) {
    for (const [link, source] of [["certificateLink", "#login-certificate"], ["knownHostsLink", "#login-known-hosts"]]) {
      const anchor = $$("a[download]", login).find((candidate) => candidate.dataset[link]);
      anchor?.addEventListener("click", (event) => {
        event.preventDefault();
        keys.save(anchor.dataset[link], `${$(source, login).textContent.trim()}\n`);
      });
    }
  }
  const use = $("[data-use-browser-key]", login);
  if (use) {
    use.onclick = async () => { $("textarea", login).value = keys.publicLine(await keys.loadOrMake()); };
  }
};
enliven(document);

/* A machine's progress: the event stream tells that something changed, the server draws it. */
const live = $("[data-live]");
const POLL = 3000;
const FAILURES = 3;
const watch = (region) => {
  let source;
  let failures = 0;
  let poll;
  let drawing = false;
  let again = false;
  const settled = () => $(".live", region)?.dataset.settled === "true";
  const say = () => {
    const spoken = $("[data-spoken]");
    const words = $(".live", region)?.dataset.say ?? "";
    if (spoken && spoken.textContent !== words) spoken.textContent = words;
  };
  const draw = async () => {
    if (drawing) { again = true; return; }
    drawing = true;
    try {
      const response = await fetch(region.dataset.live, { headers: { accept: "text/html" } });
      if (response.redirected) { location.reload(); return; }
      if (response.ok) {
        const html = await response.text();
        // What somebody is typing must not be taken away.
        if (!region.contains(document.activeElement) || !document.activeElement.matches("textarea, input")) {
          // What somebody has opened stays open.
          const open = $$("details", region).map((details) => details.open);
          region.innerHTML = html;
          const fresh = $$("details", region);
          if (fresh.length === open.length) fresh.forEach((details, index) => { details.open = open[index]; });
          enliven(region);
          say();
        }
      }
    } catch {
      // The next event or poll tries again.
    } finally {
      drawing = false;
    }
    if (settled()) { stop(); return; }
    if (again) { again = false; draw(); }
  };
  const startPolling = () => { poll ??= setInterval(draw, POLL); };
  const stop = () => { source?.close(); clearInterval(poll); poll = undefined; };
  const listen = () => {
    source = new EventSource(region.dataset.events);
    source.addEventListener("execution", () => { failures = 0; draw(); });
    source.onerror = () => {
      // The browser reconnects by itself; the stream also ends by itself after the last step, while the machine
      // or its login details may still be on their way. Polling covers both.
      failures += 1;
      startPolling();
      if (failures >= FAILURES || $(".live", region)?.dataset.final === "true") source.close();
    };
  };
  say();
  if (!settled()) listen();
  // A machine at rest may have been stopped, or taken away, while nobody looked.
  document.addEventListener("visibilitychange", () => { if (!document.hidden && settled()) draw(); });
};
if (live) watch(live);

/* The list of machines comes back while something is under way. */
const list = $('[data-refresh-while-busy="true"]');
if (list) {
  const refresh = async () => {
    const response = await fetch(location.href).catch(() => null);
    if (response?.redirected) { location.reload(); return; }
    const page = response?.ok ? new DOMParser().parseFromString(await response.text(), "text/html") : null;
    const fresh = page?.querySelector("#machines");
    const current = $("#machines");
    if (fresh && !current.contains(document.activeElement)) { current.replaceWith(fresh); enliven(fresh); }
    if (!fresh || fresh.dataset.refreshWhileBusy === "true") setTimeout(refresh, POLL);
  };
  setTimeout(refresh, POLL);
}

/* Creating a machine: a key made here, a pasted one, or none. */
const create = $("[data-create]");
const choices = $("[data-key-choices]");
if (create && choices) {
  const paste = $("[data-key-paste]");
  const area = $("textarea", paste);
  const state = $("[data-key-state]");
  const chosen = () => $("input[name=key_source]:checked", choices).value;
  const show = () => { paste.hidden = chosen() !== "paste"; };
  keysModule().then(async (keys) => {
    choices.hidden = false;
    if (area.value.trim()) $("input[value=paste]", choices).checked = true;
    if (keys.supported()) {
      const key = await keys.load().catch(() => null);
      if (key) state.textContent = `This browser’s key: ${await keys.fingerprint(key)}`;
    } else {
      const browser = $("input[value=browser]", choices);
      browser.disabled = true;
      $("input[value=paste]", choices).checked = true;
      state.textContent = "This browser cannot make keys here: that needs a secure connection.";
    }
    choices.addEventListener("change", show);
    show();
    create.addEventListener("submit", async (event) => {
      if (chosen() === "none") area.value = "";
      if (chosen() !== "browser" || create.dataset.keyReady) return;
      event.preventDefault();
      try {
        area.value = keys.publicLine(await keys.loadOrMake());
        create.dataset.keyReady = "true";
        create.requestSubmit();
      } catch {
        state.textContent = "This browser could not make a key. Paste one, or choose “Later”.";
        $("input[value=paste]", choices).checked = true;
        show();
      }
    });
  });
}

/* The key's own panel on the account page. */
const panel = $("[data-key-panel]");
if (panel) {
  keysModule().then(async (keys) => {
    if (!keys.supported()) return;
    panel.hidden = false;
    const key = await keys.load().catch(() => null);
    $("[data-key-none]", panel).hidden = Boolean(key);
    $("[data-key-some]", panel).hidden = !key;
    if (!key) return;
    $("[data-key-fingerprint]", panel).textContent = await keys.fingerprint(key);
    $("[data-key-download]", panel).onclick = () => keys.save("cloudapp", keys.privateFile(key));
    $("[data-key-forget]", panel).onclick = async () => {
      if (!confirm("Machines that know only this key can then be reached only with a new certificate for another key. Forget it?")) return;
      await keys.forget();
      location.reload();
    };
  });
}
