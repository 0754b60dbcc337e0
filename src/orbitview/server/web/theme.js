// Light, dark or the system's, before anything is drawn: a plain script, so that no page flashes in the other one.
(() => {
  const root = document.documentElement;
  const kept = localStorage.getItem("orbitview-theme");
  if (kept) root.dataset.theme = kept;
  addEventListener("DOMContentLoaded", () => {
    const choice = document.getElementById("theme");
    if (!choice) return;
    choice.value = kept || "";
    choice.addEventListener("change", () => {
      root.dataset.theme = choice.value;
      if (choice.value) localStorage.setItem("orbitview-theme", choice.value);
      else localStorage.removeItem("orbitview-theme");
    });
  });
})();
