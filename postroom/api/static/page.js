// Elements by one function. Text is always set as text, never as HTML, so that no description and
// no answer can become markup.

export const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
};

export const badge = (method) => make("span", { class: `method ${method.toLowerCase()}` }, method);

// A block of text with a button that copies it. Browsers have a clipboard on https and localhost only.
export const copyable = (text, label) => {
  const block = make("div", { class: "copyable" }, make("pre", { tabindex: "0", "aria-label": label }, text));
  if (navigator.clipboard) {
    const button = make("button", { type: "button", class: "quiet-button", onclick: async () => {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } }, "Copy");
    block.append(button);
  }
  return block;
};
