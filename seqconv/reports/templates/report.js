"use strict";
(() => {
  const collator = new Intl.Collator(undefined, { numeric: true });

  // Cells without a value stay at the end in both directions.
  const compare = (first, second, numeric, sign) => {
    if (first === "" || second === "") return (first === "") - (second === "");
    return sign * (numeric ? Number(first) - Number(second) : collator.compare(first, second));
  };

  const makeSortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const numeric = head.classList.contains("number");
        const before = head.getAttribute("aria-sort");
        const first = numeric ? "descending" : "ascending";
        const second = numeric ? "ascending" : "descending";
        const order = before === first ? second : first;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const key = (row) => row.cells[column].dataset.sort;
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => compare(key(a), key(b), numeric, sign));
        table.tBodies[0].append(...rows);
      });
    });
  };

  const makeFilterable = (form, table) => {
    const rows = [...table.tBodies[0].rows];
    const texts = new Map(rows.map((row) => [row, row.textContent.toLocaleLowerCase()]));
    const count = form.querySelector("output");
    const search = form.querySelector("input");
    const kind = form.querySelector("select");
    const apply = () => {
      const words = search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const fits = !kind || kind.value === "all" || row.classList.contains(kind.value);
        row.hidden = !(fits && words.every((word) => texts.get(row).includes(word)));
        shown += row.hidden ? 0 : 1;
      }
      count.value = `${shown.toLocaleString("en")} found`;
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", apply);
    form.addEventListener("change", apply);
    form.hidden = false;
    apply();
  };

  // A line moves over the picture while the sound plays, and a click goes there.
  const makePlayer = (card, players) => {
    const audio = card.querySelector("audio");
    const area = card.querySelector(".seek");
    if (!audio) return;
    audio.addEventListener("play", () => players.forEach((other) => other !== audio && other.pause()));
    if (!area) return;
    const [left, right, top, bottom] = area.dataset.box.split(" ").map(Number);
    Object.assign(area.style, {
      left: `${100 * left}%`, width: `${100 * (right - left)}%`,
      top: `${100 * top}%`, height: `${100 * (bottom - top)}%`,
    });
    const line = area.querySelector("i");
    const seconds = Number(area.dataset.seconds);
    const move = () => {
      line.style.display = "block";
      line.style.left = `${Math.min(100, (100 * audio.currentTime) / seconds)}%`;
      if (!audio.paused) requestAnimationFrame(move);
    };
    audio.addEventListener("play", move);
    audio.addEventListener("seeked", move);
    area.addEventListener("click", (event) => {
      const place = area.getBoundingClientRect();
      audio.currentTime = (seconds * (event.clientX - place.left)) / place.width;
      audio.play();
    });
  };

  document.querySelectorAll("table.sortable").forEach(makeSortable);
  const form = document.querySelector("#filter");
  if (form) makeFilterable(form, document.querySelector("#predictions"));
  const players = [...document.querySelectorAll("audio")];
  document.querySelectorAll(".card").forEach((card) => makePlayer(card, players));
})();
