// Sorts tables by a column, by the exact values of its cells.

/** Makes the tables of a part that can be sorted so. */
export function sorts(part) {
  for (const table of part.querySelectorAll("table[data-sorts]:not([data-sortable])")) {
    table.dataset.sortable = "";
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const falls = head.getAttribute("aria-sort") === "descending";
        sort(table, head, column, falls ? "ascending" : "descending");
      });
      head.addEventListener("sort-again", (event) => sort(table, head, column, event.detail));
    });
  }
}

function sort(table, head, column, order) {
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
  const sign = order === "ascending" ? 1 : -1;
  rows.sort(([one], [other]) => sign * compare(one, other));
  body.append(...rows.map(([, row]) => row));
}

/** What a cell is sorted by: a whole number of any size, a decimal number, or its text. */
function key(cell) {
  const field = cell?.querySelector("[data-field]");
  const text = field?.dataset.value ?? field?.textContent.replaceAll(",", "") ?? cell?.textContent.trim() ?? "";
  const decimal = /^(-?\d+)(?:\.(\d{1,18}))?$/.exec(text);
  return decimal ? BigInt(decimal[1] + (decimal[2] ?? "").padEnd(18, "0")) : text;
}

function compare(one, other) {
  if (typeof one === "bigint" && typeof other === "bigint") return one < other ? -1 : one > other ? 1 : 0;
  if (typeof one !== typeof other) return typeof one === "bigint" ? 1 : -1;
  return one.localeCompare(other);
}
