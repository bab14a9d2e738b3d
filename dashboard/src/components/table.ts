// What a table shows of each row.

export interface Column {
  id: string;
  label: string;
  /** The proxy's name of the order; without it the column cannot be sorted by. */
  sort?: string;
  /** Aligned at the right, and sorted with the largest first. */
  number?: boolean;
  /** The higher, the sooner it gives way on narrow screens; 1 always stays. */
  rank?: 1 | 2 | 3 | 4;
  title?: string;
  /** The label is for screen readers only. */
  silent?: boolean;
}
