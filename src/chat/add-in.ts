/** A registered web page that stands beside a room's messages; a room has one at most. */
export interface AddIn {
  readonly id: number;
  readonly name: string;
  readonly url: string;
}
