"use strict";
// Puts in what has changed. Without this the page shows how things stood when it was opened.
const known = new Map();
const said = document.querySelector("#said");
const finder = document.querySelector(".finder");

// Leaves the focus, and what was opened, where they were.
const put = (id, html) => {
  const place = document.getElementById(id);
  if (!place || known.get(id) === html) return;
  known.set(id, html);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...place.querySelectorAll("details[open]")].map((one) => one.id);
  if (id === "students") for (const other of [...known.keys()]) if (/^s\d+$/.test(other)) known.delete(other);
  place.innerHTML = html;
  for (const one of open) document.getElementById(one)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
};

const filter = () => {
  if (!finder) return;
  const wanted = finder.querySelector("#words").value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...document.querySelectorAll("#students > tr")];
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !wanted.every((word) => text.includes(word));
  }
  finder.querySelector("#shown").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
};

const connected = (yes) => {
  const text = yes ? "" : "The connection is lost: nothing new is shown until it is back.";
  if (said.textContent !== text) said.textContent = text;
  said.classList.toggle("lost", !yes);
};

const source = new EventSource("events");
source.addEventListener("open", () => connected(true));
source.addEventListener("error", () => connected(false));
source.addEventListener("message", (event) => {
  for (const [id, html] of Object.entries(JSON.parse(event.data))) put(id, html);
  filter();
});
if (finder) {
  finder.addEventListener("input", filter);
  finder.addEventListener("submit", (event) => event.preventDefault());
  finder.hidden = false;
  filter();
}
