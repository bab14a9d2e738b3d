// The part of upng-js that is used; it has no types of its own.
declare module "upng-js" {
  interface Image {
    width: number;
    height: number;
  }
  const png: {
    decode(png: ArrayBuffer | Uint8Array): Image;
    toRGBA8(image: Image): ArrayBuffer[];
    encode(frames: ArrayBuffer[], width: number, height: number, colors: number): ArrayBuffer;
  };
  export default png;
}
