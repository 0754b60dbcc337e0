// Elements without HTML text: whatever a user or a server sent is only ever text.

export const $ = (id) => document.getElementById(id);

/** h("button", {type: "button", onclick: f}, "Text", child, …); null and false children are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list" && name !== "role") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== false && child !== undefined));
  return element;
}

export function show(element, visible) {
  element.hidden = !visible;
}
