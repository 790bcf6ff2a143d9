// Lets a reader sort and filter a table that is whole without this script: heads become
// buttons, and a field above the table keeps the rows that contain all its words.
(box) => {
  const table = box.querySelector("table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  // Numbers among numbers, words among words; what is empty comes last either way.
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const compare = (a, b) => (a !== "" && b !== "" && !isNaN(a) && !isNaN(b) ? a - b : a.localeCompare(b));

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sorted = [...rows].sort((one, other) => {
        const [a, b] = [value(one, column), value(other, column)];
        if (a === "" || b === "") return (a === "") - (b === "");
        return (down ? -1 : 1) * compare(a, b);
      });
      body.append(...sorted);
    };
  });

  const label = document.createElement("label");
  const field = document.createElement("input");
  field.type = "search";
  label.append("Keep rows with ", field);
  const count = document.createElement("output");
  count.setAttribute("aria-live", "polite");
  const filter = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase());
    rows.forEach((row, i) => { row.hidden = !words.every((word) => texts[i].includes(word)); });
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  field.oninput = filter;
  filter();
  const controls = document.createElement("div");
  controls.className = "sortable-controls";
  controls.append(label, count);
  box.prepend(controls);
}
