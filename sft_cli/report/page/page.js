// The theme, printing, and the start.
(function () {
  const theme = document.getElementById("theme"), root = document.documentElement;
  const read = () => { try { return localStorage.getItem("sft-theme") || ""; } catch { return ""; } };
  function use(name) {
    if (name) root.dataset.theme = name;
    else delete root.dataset.theme;
  }
  theme.value = read();
  use(theme.value);
  theme.addEventListener("change", () => {
    use(theme.value);
    try { localStorage.setItem("sft-theme", theme.value); } catch { /* a file without storage keeps no theme */ }
  });
  // A page on paper has no buttons: open what is closed, and close it again afterwards.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of opened) each.open = false; });
  const data = JSON.parse(document.getElementById("data").textContent);
  if (data.rows) rowBrowser(data);
})();
