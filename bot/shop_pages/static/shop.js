// Opens the chat from the page's own button, and closes the list of markets when one clicks elsewhere.
const chat = document.querySelector("polydesk-chat");
const markets = document.querySelector(".markets");

for (const opener of document.querySelectorAll("[data-open-chat]")) {
  opener.addEventListener("click", () => chat.toggleAttribute("open", true));
}

document.addEventListener("click", ({ target }) => {
  if (!markets.contains(target)) markets.open = false;
});
