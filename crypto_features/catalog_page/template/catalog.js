"use strict";
const search = document.getElementById("search");
const found = document.getElementById("found");
const every = document.getElementById("open");
const features = [...document.querySelectorAll(".feature")];
const sections = [...document.querySelectorAll("section.table")];
const words = new Map([...features, ...sections].map((part) => [part, part.dataset.words.toLowerCase()]));

function look() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (part) => wanted.every((word) => words.get(part).includes(word));
  let count = 0;
  for (const section of sections) {
    const named = has(section);
    const inside = [...section.querySelectorAll(".feature")];
    let shown = 0;
    for (const feature of inside) {
      const hit = named || has(feature);
      feature.hidden = !hit;
      shown += hit ? 1 : 0;
    }
    section.hidden = !named && shown === 0;
    count += shown;
  }
  document.querySelector("nav").hidden = wanted.length > 0;
  document.getElementById("nothing").hidden = sections.some((section) => !section.hidden);
  found.textContent = wanted.length ? `${count} of ${features.length} features` : "";
}

function reveal() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (!target) return;
  if (target.closest("[hidden]")) {
    search.value = "";
    look();
  }
  if (target.matches("details")) target.open = true;
  target.scrollIntoView();
}

search.addEventListener("input", look);
every.addEventListener("click", () => {
  const shown = features.filter((feature) => !feature.closest("[hidden]"));
  const open = shown.some((feature) => !feature.open);
  for (const feature of shown) feature.open = open;
  every.textContent = open ? "Close all" : "Open all";
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && document.activeElement !== search) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "Escape" && document.activeElement === search) {
    search.value = "";
    look();
  }
});
addEventListener("hashchange", reveal);
look();
reveal();
