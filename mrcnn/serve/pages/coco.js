"use strict";
// COCO JSON: a data set of pictures with their objects as run-length encoded masks. Source: the COCO data format.

// Lengths of the runs outside and inside the mask in turn, column after column; the first is outside.
function runs(mask, { width, height }) {
  const counts = [];
  let end = 0; // of the last run inside
  for (let x = 0; x < mask.width; x++) {
    for (let y = 0; y < mask.height; y++) {
      if (!mask.pixels[y * mask.width + x]) continue;
      const at = (mask.x + x) * height + mask.y + y;
      if (counts.length && at === end) counts[counts.length - 1]++;
      else counts.push(at - end, 1);
      end = at + 1;
    }
  }
  if (end < width * height) counts.push(width * height - end);
  return counts;
}

// COCO's text of runs: 5 bits a letter, the low ones first. From the fourth on, a run is its difference to the one two
// before.
function runsText(counts) {
  let text = "";
  counts.forEach((count, index) => {
    let value = index > 2 ? count - counts[index - 2] : count, more = true;
    while (more) {
      const low = value & 31;
      value >>= 5;
      more = low & 16 ? value !== -1 : value !== 0;
      text += String.fromCharCode(48 + low + (more ? 32 : 0));
    }
  });
  return text;
}

async function cocoObject(object, size) {
  const mask = await maskPixels(object), counts = runs(mask, size);
  const area = counts.reduce((sum, count, index) => sum + (index % 2 ? count : 0), 0);
  const segmentation = { size: [size.height, size.width], counts: runsText(counts) };
  return { segmentation, area, bbox: [mask.x, mask.y, mask.width, mask.height], iscrowd: 0, score: object.score ?? 1 };
}

// A data set. Each picture has name, size and the objects to write; the categories are the model's classes from 1.
async function cocoContent(pictures, titles, description) {
  const content = { info: { description }, images: [], categories: [], annotations: [] };
  titles.forEach((name, index) => content.categories.push({ id: index + 1, name }));
  for (const { name, size, objects } of pictures) {
    const image_id = content.images.length + 1;
    content.images.push({ id: image_id, file_name: name, width: size.width, height: size.height });
    for (const object of objects) {
      const id = content.annotations.length + 1, category_id = titles.indexOf(object.title) + 1;
      content.annotations.push({ id, image_id, category_id, ...(await cocoObject(object, size)) });
    }
  }
  return content;
}
