/** The rules of locks (RFC 4918 sections 6 and 7), in another form than the program has them. */

/** A lock. */
export interface ModelLock {
  readonly path: string;
  readonly isDeep: boolean;
  readonly isShared: boolean;
  readonly by: string;
  readonly token: string;
  expires: number;
}

/** Which client may do what. */
export class LockModel {
  locks: ModelLock[] = [];

  covers(lock: { readonly path: string; readonly isDeep: boolean }, path: string): boolean {
    return lock.path === path || (lock.isDeep && path.startsWith(lock.path === "/" ? "/" : `${lock.path}/`));
  }

  live(now: number): ModelLock[] {
    return this.locks = this.locks.filter(({ expires }) => expires > now);
  }

  canTake(path: string, isDeep: boolean, isShared: boolean): boolean {
    return !this.locks.some((lock) =>
      (this.covers(lock, path) || this.covers({ path, isDeep }, lock.path)) && !(isShared && lock.isShared)
    );
  }

  /** Whether a client may write to each of these paths. */
  mayTouch(paths: readonly string[], by: string, tokens: readonly string[]): boolean {
    return paths.every((each) => {
      const locks = this.locks.filter((lock) => this.covers(lock, each));
      return locks.length === 0 || locks.some((lock) => lock.by === by && tokens.includes(lock.token));
    });
  }

  /** Whether a client may add or remove a name, with everything below it if `isWhole`. */
  mayWrite(path: string, by: string, tokens: readonly string[], isWhole: boolean): boolean {
    const below = isWhole ? this.locks.map((lock) => lock.path).filter((each) => each.startsWith(`${path}/`)) : [];
    return this.mayTouch([path, parentOf(path), ...below], by, tokens);
  }

  /** Something is gone, with everything below it. */
  removed(path: string): void {
    this.locks = this.locks.filter((lock) => lock.path !== path && !lock.path.startsWith(`${path}/`));
  }
}

/** The directory of a path. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
