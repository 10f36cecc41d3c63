"use strict";
// Shows the square of the layer that is pointed at or focused. Without this the table and the drawing remain.
for (const field of document.querySelectorAll(".field")) {
  const rows = [...field.querySelectorAll("tr[data-side]")];
  const squares = field.querySelectorAll("rect.halo, rect.current");
  const says = field.querySelector(".says");
  let kept = rows[rows.length - 1];

  const show = (row) => {
    for (const other of rows) other.classList.toggle("shown", other === row);
    for (const square of squares) {
      square.setAttribute("x", row.dataset.corner);
      square.setAttribute("y", row.dataset.corner);
      square.setAttribute("width", row.dataset.side);
      square.setAttribute("height", row.dataset.side);
    }
    if (says.textContent !== row.dataset.says) says.textContent = row.dataset.says;
  };
  const keep = (row) => {
    kept = row;
    for (const other of rows) other.querySelector("button").setAttribute("aria-pressed", other === row);
    show(row);
  };

  for (const [i, row] of rows.entries()) {
    const name = row.querySelector("code");
    const button = document.createElement("button");
    button.type = "button";
    name.replaceWith(button);
    button.append(name);
    button.addEventListener("focus", () => keep(row));
    button.addEventListener("click", () => keep(row));
    button.addEventListener("keydown", (event) => {
      const next = rows[i + { ArrowDown: 1, ArrowUp: -1 }[event.key]];
      if (!next) return;
      event.preventDefault();
      next.querySelector("button").focus();
    });
    row.addEventListener("pointerenter", () => show(row));
  }
  field.querySelector("tbody").addEventListener("pointerleave", () => show(kept));
  keep(kept);
}
