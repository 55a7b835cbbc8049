import { GatewayError } from '../../../../errors/table.ts';

/** How OpenAI's sizes in pixels are said to Google's models, which take an aspect ratio and a resolution. */
export interface GoogleSize {
  readonly aspectRatio: string;
  /** Resolution's name; null = the usual one, `1K`. */
  readonly resolution: '2K' | '4K' | null;
  /** The image has exactly the size asked for. */
  readonly exact: boolean;
}

/** Ratios farther from the one asked for than this are another shape: a share of it. */
const TOLERANCE = 0.05;
/** Longest side that still counts as `1K`: ratios other than 1:1 have longer sides than 1024. */
const USUAL_SIDE = 1792;

/**
 * `size`: `<width>x<height>`; null for none, or `auto`. `ratios` and `longest` (pixels) are what the model takes.
 *
 * Throws `unsupported_parameter` for a shape or size that the model can't come near to.
 */
export function googleSize(size: string | undefined, ratios: readonly string[], longest: number): GoogleSize | null {
  if (size === undefined || size === 'auto') return null;
  const [, w, h] = /^([1-9]\d{1,4})x([1-9]\d{1,4})$/.exec(size) ?? [];
  const [width, height] = [Number(w), Number(h)];
  if (w === undefined || Math.max(width, height) > longest) throw refused(size, ratios, longest);
  const asked = width / height;
  const distance = (ratio: string) => Math.abs(shapeOf(ratio) / asked - 1);
  const [nearest = ''] = ratios.toSorted((a, b) => distance(a) - distance(b));
  if (nearest === '' || distance(nearest) > TOLERANCE) throw refused(size, ratios, longest);
  const side = Math.max(width, height);
  const resolution = side <= USUAL_SIDE ? null : side <= 2048 ? '2K' : '4K';
  return { aspectRatio: nearest, resolution, exact: size === '1024x1024' };
}

function shapeOf(ratio: string): number {
  const [width = 1, height = 1] = ratio.split(':').map(Number);
  return width / height;
}

function refused(size: string, ratios: readonly string[], longest: number): GatewayError {
  return new GatewayError(
    'unsupported_parameter',
    `The model can't draw "size": ${JSON.stringify(size.slice(0, 32))}. It takes the ratios ${ratios.join(', ')}, up to ${longest} pixels.`,
  );
}
