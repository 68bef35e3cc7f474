// Sets the colour scheme before the first paint, so that a dark page never flashes white. A file of
// its own, because the content security policy allows no inline scripts.
(function () {
  var stored = null;
  try {
    stored = localStorage.getItem("penstock-color-scheme");
  } catch (e) {
    stored = null;
  }
  var dark =
    stored === "dark" ||
    (stored !== "light" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
