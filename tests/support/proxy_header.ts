/** Headers of the PROXY protocol, version 2. */

/** 192.0.2.7:51000 to 10.0.0.1:443. */
export const IPV4: readonly number[] = [192, 0, 2, 7, 10, 0, 0, 1, 0xc7, 0x38, 1, 0xbb];

const [CLIENT, SERVER] = [7, 1].map((last) => [0x20, 0x01, 0x0d, 0xb8, ...Array(11).fill(0), last]);

/** [2001:db8::7]:51000 to [2001:db8::1]:443. */
export const IPV6: readonly number[] = [...CLIENT!, ...SERVER!, 0xc7, 0x38, 1, 0xbb];

/** A header: TCP over IPv4 unless given, and the length of what follows. */
export function binaryHeader(
  { command = 0x21, protocol = 0x11, body, length = body.length }: {
    command?: number;
    protocol?: number;
    body: readonly number[];
    length?: number;
  },
): Uint8Array<ArrayBuffer> {
  const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
  return new Uint8Array([...signature, command, protocol, length >> 8, length & 0xff, ...body]);
}

/** A record. */
export function tlv(type: number, value: readonly number[]): number[] {
  return [type, value.length >> 8, value.length & 0xff, ...value];
}
