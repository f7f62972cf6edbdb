// One dialog asks before anything is changed, and says beforehand what will be done.

import type { Preview } from './types';
import { said } from './words';

export interface Field {
  name: string;
  label: string;
  value: string;
  /** What there is to choose from; a free text otherwise. */
  options?: { value: string; label: string }[];
  required?: boolean;
  placeholder?: string;
}

export interface Question {
  title: string;
  /** Which server or cluster, named in full. */
  subject: string;
  /** What will be done, a sentence or a statement each. */
  does?: string[];
  /** The same, asked of the service: it knows the server, and does it. */
  preview?: () => Promise<Preview>;
  /** What one should know before. */
  beware?: string[];
  /** It may hurt somebody: says so, and does not have the focus. */
  danger?: boolean;
  fields?: Field[];
  /** The word on the button. */
  verb: string;
  run: (values: Record<string, string>) => Promise<{ message?: string }>;
}

class Asking {
  question = $state.raw<Question | null>(null);

  ask(question: Question): void {
    this.question = question;
  }
}

export const asking = new Asking();

export interface Note {
  id: number;
  text: string;
  tone: 'good' | 'bad';
}

/** Short messages at the edge: what came of something. */
class Notes {
  list = $state.raw<Note[]>([]);
  #next = 1;

  tell(text: string, tone: Note['tone'] = 'good'): void {
    const note = { id: this.#next++, text, tone };
    this.list = [...this.list.slice(-3), note];
    setTimeout(() => this.drop(note.id), tone === 'good' ? 6000 : 15000);
  }

  drop(id: number): void {
    this.list = this.list.filter((note) => note.id !== id);
  }
}

export const notes = new Notes();

/** Does something that needs no question, and tells what came of it. */
export async function attempt(work: () => Promise<{ message?: string }>): Promise<void> {
  try {
    notes.tell((await work()).message ?? 'Done');
  } catch (error) {
    notes.tell(said(error), 'bad');
  }
}
