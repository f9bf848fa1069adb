/**
 * Identity: users, passwords, bearer tokens, and logins with a delay after failures.
 *
 * @module
 */

export { combinedUsers, environmentUser, type Token, type User, type Users } from "./users.ts";
export { type FileUsers, userFile, UserFileError, type UserFileOptions } from "./user_file.ts";
export { hashPassword, verifyPassword } from "./password.ts";
export { type Denied, isDenied, Logins, type LoginsOptions } from "./logins.ts";
export type { TokenGrant } from "./token_line.ts";
export type { UserRight } from "./user_rights.ts";
