"use strict";
for (const bar of document.querySelectorAll(".filters")) {
  const rows = [...document.getElementById(bar.dataset.for).rows];
  const texts = rows.map(row => row.textContent.toLowerCase());
  const [search, state, status] = [bar.querySelector("input"), bar.querySelector("select"), bar.querySelector("[role=status]")];
  const apply = () => {
    const words = search.value.toLowerCase().replaceAll("scenarios/", "").split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden = (state.value && row.dataset.state !== state.value) || !words.every(word => texts[index].includes(word));
      shown += !row.hidden;
    });
    status.textContent = shown + " of " + rows.length;
  };
  search.addEventListener("input", apply);
  state.addEventListener("change", apply);
  addEventListener("hashchange", () => { const row = document.getElementById(location.hash.slice(1)); if (row && row.hidden) { search.value = ""; state.value = ""; apply(); row.scrollIntoView(); } });
  apply();
}
