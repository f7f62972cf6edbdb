// Which colours: the system's, or those that somebody chose, who finds them again next time (public/assets/theme.js).

const CHOICES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof CHOICES)[number];

class Colours {
  chosen = $state<Theme>(CHOICES.find((one) => one === document.documentElement.dataset.theme) ?? 'system');
  readonly next = $derived(CHOICES[(CHOICES.indexOf(this.chosen) + 1) % CHOICES.length] ?? 'system');

  turn(): void {
    this.chosen = this.next;
    if (this.chosen === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.chosen;
    try {
      if (this.chosen === 'system') localStorage.removeItem('theme');
      else localStorage.setItem('theme', this.chosen);
    } catch {
      // It lasts as long as the page, then.
    }
  }
}

export const colours = new Colours();
