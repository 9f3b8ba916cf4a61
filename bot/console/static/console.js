/*
 * What the console's pages do beyond asking the server again: local times, staying at the newest message, sending by
 * keyboard, inserting canned replies. Everything works without it; nothing here makes HTML.
 */

const AT_THE_END = 60; // pixels from the end within which the thread follows new messages
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

let follows = true; // whether the reader is at the thread's end

function showLocalTimes(root) {
  for (const node of root.querySelectorAll("time[datetime]")) {
    const at = new Date(node.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    node.textContent = (today ? TIME : DAY_AND_TIME).format(at);
    node.title = DAY_AND_TIME.format(at);
  }
}

function scroller() {
  return document.querySelector(".scroll");
}

/** The lowest line that can be read: on a phone the page scrolls, not the thread, and the reply box lies upon it. */
function lowestLine(node) {
  const box = document.querySelector(".composer");
  return Math.min(innerHeight, node.getBoundingClientRect().bottom, box?.getBoundingClientRect().top ?? innerHeight);
}

function isAtTheEnd(node) {
  return document.querySelector("#thread").getBoundingClientRect().bottom - lowestLine(node) < AT_THE_END;
}

function toTheEnd() {
  document.querySelector("#thread > :last-child")?.scrollIntoView({ block: "end" });
}

function lastFromCustomer() {
  const numbers = [...document.querySelectorAll("#thread [data-number]")].map((node) => Number(node.dataset.number));
  return Math.max(0, ...numbers);
}

/** Tell who cannot see the thread that something new stands in it. */
function announce(before) {
  const news = document.querySelector("#news");
  if (news && lastFromCustomer() > before) news.textContent = `New message from the customer, ${TIME.format(new Date())}`;
}

function showWaiting() {
  const waiting = Number(document.querySelector("#queue")?.dataset.waiting ?? 0);
  const title = document.title.replace(/^\(\d+\) /, "");
  document.title = waiting ? `(${waiting}) ${title}` : title;
}

let heardBefore = 0;

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "thread") return;
  const node = scroller();
  follows = node ? isAtTheEnd(node) : true;
  heardBefore = lastFromCustomer();
});

document.addEventListener("htmx:afterSettle", (event) => {
  showLocalTimes(document);
  showWaiting();
  if (event.target.id !== "thread") return;
  if (follows) toTheEnd();
  announce(heardBefore);
});

document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.detail.elt;
  if (!(form instanceof HTMLFormElement) || !event.detail.successful) return;
  form.closest("details")?.removeAttribute("open");
  if (!form.matches(".composer, .note-form")) return;
  form.reset();
  if (form.matches(".composer")) toTheEnd();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target instanceof HTMLTextAreaElement) {
    event.preventDefault();
    event.target.form?.requestSubmit();
  }
  if (event.key === "Escape") event.target.closest?.("details[open]")?.removeAttribute("open");
});

document.addEventListener("change", (event) => {
  const select = event.target;
  const box = select.dataset?.inserts && document.getElementById(select.dataset.inserts);
  if (!box || !select.value) return;
  box.setRangeText(select.value, box.selectionStart, box.selectionEnd, "end");
  select.value = "";
  box.focus();
});

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.removeAttribute("open");
  }
});

showLocalTimes(document);
showWaiting();
toTheEnd();
