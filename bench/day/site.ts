/** What the bench needs of a running service, whichever way its time passes. Does nothing. */
export interface Site {
  url: string;
  key: string;
  /** What its log had to say as errors. */
  errors: string[];
  /** Lets time pass up to a moment of the site's own clock. `idle`: whether nothing is to be done. */
  passUntil(atMs: number, idle: () => Promise<boolean>): Promise<void>;
  stop(): Promise<void>;
}
