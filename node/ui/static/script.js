// Conveniences only: without this file every page still works (links, forms, details).
// No eval, no innerHTML, no style attribute: it runs under script-src 'self'; style-src 'self', and
// where trusted types are wanted and none are made.
"use strict";

const toast = document.querySelector(".toast");
let quiet;
function say(text) {
  toast.textContent = text; // role=status: read out, never focused
  toast.classList.add("on");
  clearTimeout(quiet);
  quiet = setTimeout(() => toast.classList.remove("on"), 2000);
}

// Buttons that copy are rendered hidden: without a script there is nothing to offer.
function offerCopies(part) {
  for (const button of part.querySelectorAll("button[data-copy]")) button.hidden = false;
}
offerCopies(document);
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say("Copied");
  } catch {
    say("The browser did not allow copying; select the text instead");
  }
});

// What this browser wants is kept in cookies, and the node renders it as data-theme and data-slash.
const root = document.documentElement;
function keep(name, value) {
  root.dataset[name] = value;
  document.cookie = `atoll-${name}=${value}; path=/ui; max-age=31536000; SameSite=Lax`;
}

// "/" goes to the search field, as on most forges; ignored while typing or with a modifier, and
// where somebody has switched it off: a key alone can be pressed without being meant (WCAG 2.1.4).
const search = document.querySelector(".find input");
const slash = document.querySelector("#slash");
if (slash) {
  slash.closest("label").hidden = false;
  slash.checked = root.dataset.slash !== "off";
  slash.addEventListener("change", () => keep("slash", slash.checked ? "on" : "off"));
}
document.addEventListener("keydown", (event) => {
  if (!search || root.dataset.slash === "off") return;
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  search.focus();
});

const theme = document.querySelector("#theme");
theme.hidden = false;
theme.value = root.dataset.theme;
theme.addEventListener("change", () => keep("theme", theme.value));

// A double click does one thing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// A problem of a form, or what a link leads to, is where the reader goes on.
const problem = document.querySelector("#problem");
if (problem) problem.focus();

// Parts that change are fetched again while the page is seen; nothing under the keyboard focus is
// replaced, and of a page that nobody touches the fetching ends. `responseType = "document"` parses
// without running anything.
const main = document.querySelector("main[data-refresh]");
if (main) {
  const every = Number(main.dataset.refresh) * 1000;
  const until = Date.now() + 30 * 60 * 1000;
  const fresh = document.querySelector("#fresh");
  const age = document.querySelector("#age");
  const pause = document.querySelector("#pause");
  let made = Date.now();
  let paused = false;
  let asking = false;
  fresh.hidden = false;

  const tell = (text) => {
    if (age.textContent !== text) age.textContent = text;
  };
  const taken = (part) => {
    const copy = document.importNode(part, true);
    offerCopies(copy);
    return copy;
  };
  const replace = (page) => {
    for (const part of main.querySelectorAll("[data-live]")) {
      const other = page.getElementById(part.id);
      if (part.contains(document.activeElement) || part.querySelector("details[open]")) continue;
      if (!other) part.remove();
      if (!other || part.isEqualNode(other)) continue;
      const told = part.dataset.announce;
      const copy = taken(other);
      part.replaceWith(copy);
      if (told !== copy.dataset.announce) say(copy.dataset.announce);
    }
    for (const other of page.querySelectorAll("main > [data-live]")) {
      if (document.getElementById(other.id)) continue;
      // New on the page: behind what it stands behind there.
      let before = other.previousElementSibling;
      while (before && !document.getElementById(before.id)) before = before.previousElementSibling;
      if (before) document.getElementById(before.id).after(taken(other));
      else main.prepend(taken(other));
    }
  };
  const ask = () => {
    const seconds = Math.round((Date.now() - made) / 1000);
    if (paused) return tell(`Paused; this page is ${seconds} s old`);
    if (Date.now() > until) return tell(`No longer fetched; this page is ${seconds} s old`);
    if (document.hidden || asking) return undefined;
    asking = true;
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = every;
    request.onloadend = () => {
      asking = false;
      if (request.status === 200 && request.response) {
        made = Date.now();
        replace(request.response);
        tell("Up to date");
      } else if (request.status === 401) {
        tell("The session has ended: log in again");
      } else {
        tell(`The node does not answer; this page is ${Math.round((Date.now() - made) / 1000)} s old, trying again`);
      }
    };
    request.send();
    return undefined;
  };
  setInterval(ask, every);
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    ask();
  });
}
