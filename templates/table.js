"use strict";
// Sorts and filters the table of a class. Without this it stands in the order of the names, whole.
const table = document.querySelector(".students");
const body = table.tBodies[0];
const rows = [...body.rows];
const finder = document.querySelector(".finder");
const [words, verdict, shown] = ["#words", "#state", "#shown"].map((id) => document.querySelector(id));
const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
// Not row.cells: a live list of every row, renewed at every move of any row.
const cells = rows.map((row) => [...row.querySelectorAll("th, td")]);
const text = new Map(rows.map((row) => [row, row.textContent.replace(/\s+/g, " ").toLowerCase()]));

const sort = (column, direction) => {
  const keyed = rows.map((row, place) => ({ row, place, key: cells[place][column].dataset.sort }));
  const numeric = keyed.every(({ key }) => key === undefined || !Number.isNaN(Number(key)));
  const compare = numeric ? (one, other) => one - other : names.compare;
  keyed.sort((a, b) => {
    // What is not known comes last, either way.
    const unknown = (a.key === undefined) - (b.key === undefined);
    return unknown || (a.key !== undefined && direction * compare(a.key, b.key)) || a.place - b.place;
  });
  body.append(...keyed.map(({ row }) => row));
};

const heads = [...table.tHead.rows[0].cells];
const [by, down] = ["#by", "#down"].map((id) => document.querySelector(id));

const order = (column, backwards) => {
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", backwards ? "descending" : "ascending");
  by.value = column;
  down.checked = backwards;
  sort(column, backwards ? -1 : 1);
};

for (const [column, head] of heads.entries()) {
  by.append(new Option(head.textContent.trim(), column));
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => order(column, head.getAttribute("aria-sort") === "ascending"));
}
for (const choice of [by, down]) choice.addEventListener("change", () => order(Number(by.value), down.checked));
order(0, false);

const filter = () => {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    const fits = (!verdict.value || row.dataset.state === verdict.value) && wanted.every((word) => text.get(row).includes(word));
    row.hidden = !fits;
    count += fits;
  }
  shown.textContent = `${count} of ${rows.length}`;
};
words.addEventListener("input", filter);
verdict.addEventListener("change", filter);
finder.addEventListener("submit", (event) => event.preventDefault());
finder.hidden = false;
filter();
