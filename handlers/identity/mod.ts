/**
 * Identity: users, passwords, bearer tokens, rights, sessions and share links.
 *
 * @module
 */

export { combinedUsers, environmentUser, type Token, type User, type Users } from "./users.ts";
export { type FileUsers, userFile, UserFileError, type UserFileOptions } from "./user_file.ts";
export { hashPassword, type Precedence, verifyPassword } from "./password.ts";
export { type Denied, isDenied, Logins, type LoginsOptions } from "./logins.ts";
export type { TokenGrant } from "./token_line.ts";
export type { UserRight } from "./user_rights.ts";
export { auth, type AuthOptions } from "./auth.ts";
export { type AccessRule, InvalidRule, parseAccessRule, type Who } from "./rules.ts";
export { type IdentityState, openState, type RevocableSession, type Revocations, volatileState } from "./state.ts";
export { type ShareRecord, type ShareRecords, TooManyShares } from "./share_records.ts";
export { sharePath, shares } from "./share_site.ts";
export { narrowShare, type Share, Shares, type ShareTerms } from "./shares.ts";
