// Copies exact values with a click, or with Enter where they can be focused.

/** For how long it is shown that something was copied, in milliseconds. */
const SHOWN_MS = 1_500;

/** What can be copied: amounts, addresses, hashes and calldata. */
const COPIED = ".amount[title$=' METIS'], .ends, [data-copy]";

/** Makes what can be copied copy itself. */
export function copies(part) {
  for (const element of part.querySelectorAll(COPIED)) {
    if ("copies" in element.dataset) continue;
    element.dataset.copies = "";
    if (element.tabIndex >= 0) element.setAttribute("role", "button");
    element.addEventListener("click", () => copy(element));
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        copy(element);
      }
    });
  }
}

/** The exact value: an amount's is the number of its tooltip, without groups; an address's or a hash's is whole. */
function exact(element) {
  if (element.classList.contains("amount")) return element.title.split(" ")[0].replaceAll(",", "");
  return element.title || element.dataset.value;
}

async function copy(element) {
  // Who selects a text wants that, and not the whole.
  if (!getSelection()?.isCollapsed) return;
  try {
    await navigator.clipboard.writeText(exact(element));
  } catch {
    // Without TLS browsers do not let pages copy: then the text is selected, to be copied by hand.
    getSelection()?.selectAllChildren(element);
    return;
  }
  element.classList.add("copied");
  setTimeout(() => element.classList.remove("copied"), SHOWN_MS);
}
