// Before anything is painted: the colours that were chosen last, so that the page does not flash in the others.
try {
  const chosen = localStorage.getItem('theme');
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is forbidden: the system's colours it is.
}
