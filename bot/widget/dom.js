/*
 * Makes DOM nodes: the only way in which the widget builds its page.
 *
 * Text goes in as text nodes and attributes as attributes, never as HTML, so that nothing anyone writes can become
 * markup. No style attributes and no inline handlers, so that a strict Content-Security-Policy holds.
 */

const SVG = "http://www.w3.org/2000/svg";

/** Outlines on a grid of 24, drawn with a stroke. */
const ICONS = {
  chat: ["M20.5 11.6a7.9 7.9 0 0 1-8.3 7.6 8.9 8.9 0 0 1-3.6-.8L4 19.6l1.2-4A7.2 7.2 0 0 1 4 11.6 7.9 7.9 0 0 1 12.2 4a7.9 7.9 0 0 1 8.3 7.6Z", "M8.6 11.7h.01M12.2 11.7h.01M15.8 11.7h.01"],
  minimise: ["m6.5 9.5 5.5 5.5 5.5-5.5"],
  end: ["M6.5 6.5l11 11M17.5 6.5l-11 11"],
  send: ["M12 19V5.5", "m6 11.2 6-6 6 6"],
  person: ["M12 12.2a3.6 3.6 0 1 0 0-7.2 3.6 3.6 0 0 0 0 7.2Z", "M5 19.5c.7-3.2 3.4-5 7-5s6.3 1.8 7 5"],
  good: ["M7.5 10.5v8.8H4.6v-8.8h2.9Z", "m7.5 11 3.4-6.3c1.5 0 2.4 1 2.4 2.4l-.5 3h5.2c1 0 1.7.9 1.5 1.9l-1.2 5.8c-.2.9-.9 1.5-1.8 1.5h-9"],
  bad: ["M16.5 13.5V4.7h2.9v8.8h-2.9Z", "m16.5 13-3.4 6.3c-1.5 0-2.4-1-2.4-2.4l.5-3H6c-1 0-1.7-.9-1.5-1.9l1.2-5.8c.2-.9.9-1.5 1.8-1.5h9"],
};

/**
 * Make an element. `text` becomes its text, `on` maps event names to listeners, true sets an empty attribute, false,
 * null and undefined leave one out, everything else is an attribute.
 */
export function element(tag, { text, on = {}, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(name, value === true ? "" : value);
  }
  for (const [name, listener] of Object.entries(on)) node.addEventListener(name, listener);
  if (text !== undefined) node.textContent = text;
  node.append(...children);
  return node;
}

/** Make a decorative icon; the button around it carries the name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  for (const outline of ICONS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", outline);
    svg.append(path);
  }
  return svg;
}

/** Make a button. `label` names it for those who cannot see the icon. */
export function button({ label, text, icon: name, onClick, ...attributes }) {
  const children = name ? [icon(name)] : [];
  if (text !== undefined) children.push(element("span", { text }));
  return element("button", { type: "button", "aria-label": label, title: label, on: { click: onClick }, ...attributes }, ...children);
}

/** Put values into a text's {placeholders}. */
export function fill(text, values) {
  return (text ?? "").replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
