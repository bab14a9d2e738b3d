// The part of upng-js that is used; it has no types of its own.
declare module "upng-js" {
  interface Image {
    width: number;
    height: number;
  }
  export function decode(png: ArrayBuffer | Uint8Array): Image;
  export function toRGBA8(image: Image): ArrayBuffer[];
  export function encode(frames: ArrayBuffer[], width: number, height: number, colors: number): ArrayBuffer;
}
