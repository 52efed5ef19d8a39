/** A picture of a device as a page of its own: the SVG, which tells of each cell under the pointer. */

import type { DevicePicture } from '../../picture/device-picture.js';
import { escapeXml, svgPicture } from './svg.js';

export function htmlPicture(picture: DevicePicture, shown: string | undefined): string {
  const { path, superblock } = picture;
  const title = escapeXml(superblock.label === '' ? path : `${superblock.label} - ${path}`);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>
body { margin: 0; background: #e6eaee; }
svg { display: block; margin: 24px auto; max-width: calc(100vw - 48px); height: auto; box-shadow: 0 1px 8px #0003; }
svg g:hover > rect { stroke: #111827; stroke-width: 1.5; }
</style>
</head>
<body>
${svgPicture(picture, { shown, hasTitles: true })}</body>
</html>
`;
}
