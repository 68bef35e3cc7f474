// localStorage, where it may be missing, full or forbidden: the UI then forgets, nothing more.

export function load<T>(key: string, otherwise: T): T {
  try {
    const text = localStorage.getItem(`penstock-${key}`);
    return text === null ? otherwise : (JSON.parse(text) as T);
  } catch {
    return otherwise;
  }
}

export function save(key: string, value: unknown): void {
  try {
    localStorage.setItem(`penstock-${key}`, JSON.stringify(value));
  } catch {
    // Private mode or a full quota.
  }
}
