"use strict";

// The page is whole without this script: it only lets tables be sorted by a column.

const compareText = new Intl.Collator(undefined, { numeric: true }).compare;

// The figure of a cell, without its interval; a missing one is NaN.
function figure(row, column) {
  return Number.parseFloat(row.cells[column].firstChild?.textContent ?? "");
}

function compareRows(a, b, column) {
  if (column === 0) return compareText(a.cells[0].textContent, b.cells[0].textContent);
  return figure(a, column) - figure(b, column);
}

function sortBy(table, column) {
  const head = table.tHead.rows[0].cells[column];
  // Names begin with A, figures with the largest.
  const first = column === 0 ? "ascending" : "descending";
  const other = column === 0 ? "descending" : "ascending";
  const order = head.ariaSort === first ? other : first;
  for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
  head.ariaSort = order;
  const body = table.tBodies[0];
  const isMissing = (row) => column > 0 && Number.isNaN(figure(row, column));
  const rows = [...body.rows];
  const present = rows.filter((row) => !isMissing(row));
  present.sort((a, b) => compareRows(a, b, column) * (order === "ascending" ? 1 : -1));
  body.append(...present, ...rows.filter(isMissing));
}

for (const table of document.querySelectorAll("table.sortable")) {
  if (table.tBodies[0].rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent;
    button.addEventListener("click", () => sortBy(table, column));
    cell.replaceChildren(button);
  });
}
