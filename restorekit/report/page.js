// Pictures stand in the page once; everything that shows them takes them from there.
document.documentElement.classList.add('js');
const ZOOM = 3;

function blobUrl(source) {
  const [head, body] = source.split(',');
  const bytes = Uint8Array.from(atob(body), (character) => character.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: head.slice(5, head.indexOf(';')) }));
}

function show(element, urls, name, truth) {
  const layers = truth ? [urls[name], urls[truth]] : [urls[name]];
  element.style.backgroundImage = layers.map((url) => `url(${url})`).join(', ');
  element.classList.toggle('wrong', Boolean(truth));
}

for (const figure of document.querySelectorAll('.case')) {
  const urls = {};
  for (const image of figure.querySelectorAll('.store img')) urls[image.alt] = blobUrl(image.src);
  const find = (selector) => figure.querySelector(selector);
  const pair = find('.pair');
  const [before, after] = figure.querySelectorAll('.side');
  const [left, right, errors] = [find('.left'), find('.right'), find('.errors')];
  const crops = figure.querySelectorAll('.crop');
  const width = Number(figure.dataset.width);
  const height = Number(figure.dataset.height);

  const draw = () => {
    const truth = errors && errors.checked ? figure.dataset.truth : '';
    show(before, urls, left.value, truth);
    show(after, urls, right.value, truth);
    for (const crop of crops) show(crop, urls, crop.dataset.name, truth);
  };
  const move = (x, y) => {
    for (const crop of crops) {
      crop.style.backgroundSize = `${width * ZOOM}px ${height * ZOOM}px`;
      crop.style.backgroundPosition = `${96 - x * ZOOM}px ${96 - y * ZOOM}px`;
    }
  };

  for (const control of [left, right, errors]) if (control) control.addEventListener('change', draw);
  find('.slider').addEventListener('input', (event) => {
    pair.style.setProperty('--at', `${event.target.value}%`);
  });
  pair.addEventListener('pointermove', (event) => {
    const box = pair.getBoundingClientRect();
    move(((event.clientX - box.left) / box.width) * width,
      ((event.clientY - box.top) / box.height) * height);
  });
  draw();
  move(Number(figure.dataset.x), Number(figure.dataset.y));
}
