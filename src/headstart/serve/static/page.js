// Asks the server that this page came from, and shows what it says. No library, nothing from elsewhere.
"use strict";
const by = (id) => document.getElementById(id);
let model, last, mine = 0;

function made(tag, text, attributes = {}) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function say(text, bad = false) {
  by("status").textContent = text;
  by("status").classList.toggle("bad", bad);
}

async function asked(path, body, type) {
  const response = await fetch(path, { method: "POST", body, headers: { "Content-Type": type } });
  const answer = await response.json().catch(() => ({ error: `the server said ${response.status}` }));
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function start() {
  try {
    model = await (await fetch("model")).json();
  } catch {
    return say("The server does not answer.", true);
  }
  by("title").textContent = `${model.reads[0].toUpperCase()}${model.reads.slice(1)}s: ${model.task.kind}`;
  document.title = `${by("title").textContent} (Headstart)`;
  by("verdict").textContent = model.evidence.verdict ? model.evidence.verdict.sentence : "";
  by(model.in_words || model.columns ? "words" : "files").hidden = false;
  if (model.columns) by("first").rows = Math.min(20, model.columns.length + 2);
  if (model.columns) by("first").value = JSON.stringify(Object.fromEntries(model.columns.map((name) => [name, null])), null, 1);
  by("pair").hidden = !model.pairs;
  by("first-name").textContent = model.columns ? "Row: a value for each column" : model.pairs ? "First text" : "Text";
  by("invite").textContent = `Choose a file (${model.reads}), or drop one here`;
  by("file").accept = `${model.modality}/*`;
  by("record").hidden = model.modality !== "audio" || !navigator.mediaDevices;
}

async function answer(body, type, shown) {
  const turn = ++mine;
  say("Asking the model…");
  by("result").hidden = true;
  by("reasons").replaceChildren();
  const began = performance.now();
  try {
    const found = await asked(model.sets ? "predict?sets=0.9" : "predict", body, type);
    if (turn !== mine) return;
    last = { body, type };
    show(found, shown);
    say(`Answered in ${((performance.now() - began) / 1000).toFixed(2)} seconds.`);
  } catch (error) {
    if (turn === mine) say(error.message || "The server does not answer.", true);
  }
}

function show(found, shown) {
  const one = found.predictions[0];
  const many = one.labels ? one.labels.join(", ") || "none of the labels" : undefined;
  by("answer").textContent = String(one.text ?? one.label ?? many ?? one.value ?? (one.boxes ? `${one.boxes.length} boxes` : "Answered"));
  by("shown").replaceChildren(...(shown ? [shown] : []));
  if (one.boxes && shown) shown.addEventListener("load", () => draw(shown, one.boxes), { once: true });
  // sorted here: an object of JavaScript has names that are whole numbers first, by their size
  by("bars").replaceChildren(...Object.entries(one.probabilities || {}).sort((a, b) => b[1] - a[1]).slice(0, 8).map(([label, p]) => {
    const row = made("li");
    row.append(made("span", label), made("meter", undefined, { value: p, min: 0, max: 1, "aria-label": label }), made("b", `${(100 * p).toFixed(1)} %`));
    return row;
  }));
  by("set").textContent = one.set ? `The truth is among these for 90 % of such items: ${one.set.join(", ") || "none"}.` : "";
  by("more").textContent = [one.abstains ? "Not sure enough to answer." : "", one.unread ? `Read in part: ${one.unread}.` : ""].join(" ").trim();
  by("json").textContent = JSON.stringify(found, null, 2);
  by("why").hidden = !model.explains;
  by("result").hidden = false;
}

function draw(image, boxes) {
  const canvas = made("canvas", undefined, { role: "img", "aria-label": `${boxes.length} boxes` });
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  pen.lineWidth = Math.max(2, canvas.width / 300);
  pen.font = `${Math.max(12, canvas.width / 40)}px sans-serif`;
  for (const { box: [left, top, right, bottom], label } of boxes) {
    pen.strokeStyle = pen.fillStyle = "#d55e00";
    pen.strokeRect(left, top, right - left, bottom - top);
    pen.fillText(label, left, Math.max(top - 4, 12));
  }
  image.replaceWith(canvas);
}

async function why() {
  by("why").disabled = true;
  say("Leaving out one part after the other…");
  try {
    const found = await asked("explain", last.body, last.type);
    by("reasons").replaceChildren(found.effects ? await grid(found) : marked(found), made("p", found.sentence));
    say("");
  } catch (error) {
    say(error.message, true);
  }
  by("why").disabled = false;
}

function shade(effect, most) {
  return effect > 0 ? `rgba(0,114,178,${Math.min(0.75, 0.75 * effect / most)})` : `rgba(213,94,0,${Math.min(0.75, -0.75 * effect / most)})`;
}

function marked(found) {
  const text = made("p", undefined, { class: "words" });
  for (const part of found.parts) {
    for (const { before, text: word, effect } of part) {
      const mark = made("mark", word, { title: effect.toFixed(2) });
      mark.style.background = shade(effect, found.largest);
      text.append(before, mark);
    }
    text.append(made("br"));
  }
  return text;
}

async function grid(found) {
  const image = new Image();
  image.src = found.view;
  await image.decode();
  const canvas = made("canvas", undefined, { role: "img", "aria-label": found.sentence });
  [canvas.width, canvas.height] = [image.width, image.height];
  const pen = canvas.getContext("2d"), rows = found.effects, most = Math.max(0.05, ...rows.flat().map(Math.abs));
  pen.drawImage(image, 0, 0);
  rows.forEach((row, y) => row.forEach((effect, x) => {
    pen.fillStyle = shade(effect, most);
    pen.fillRect(x * canvas.width / row.length, y * canvas.height / rows.length, canvas.width / row.length, canvas.height / rows.length);
  }));
  return canvas;
}

function given(file) {
  if (!file) return;
  if (file.size > model.limits.bytes) return say(`${file.name} has ${file.size.toLocaleString("en")} bytes; this server takes ${model.limits.bytes.toLocaleString("en")} at most.`, true);
  const address = URL.createObjectURL(file);
  const shown = model.modality === "audio" ? made("audio", undefined, { controls: "", src: address }) : made("img", undefined, { src: address, alt: file.name });
  answer(file, file.type.startsWith(`${model.modality}/`) ? file.type : "application/octet-stream", shown);
}

// What browsers record is packed in ways that few libraries read: it is decoded here and sent as WAV.
async function recorded(blob) {
  const context = new AudioContext();
  const sound = await context.decodeAudioData(await blob.arrayBuffer());
  await context.close();
  const samples = sound.getChannelData(0), bytes = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, word) => [...word].forEach((sign, i) => bytes.setUint8(at + i, sign.charCodeAt(0)));
  text(0, "RIFF"); bytes.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true); bytes.setUint16(20, 1, true); bytes.setUint16(22, 1, true);
  bytes.setUint32(24, sound.sampleRate, true); bytes.setUint32(28, 2 * sound.sampleRate, true);
  bytes.setUint16(32, 2, true); bytes.setUint16(34, 16, true); text(36, "data"); bytes.setUint32(40, 2 * samples.length, true);
  samples.forEach((v, i) => bytes.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, v)) * 32767, true));
  given(new File([bytes.buffer], "recording.wav", { type: "audio/wav" }));
}

let recorder;
async function record() {
  if (recorder) return recorder.stop();
  try {
    const heard = await navigator.mediaDevices.getUserMedia({ audio: true }), pieces = [];
    recorder = new MediaRecorder(heard);
    recorder.ondataavailable = (event) => pieces.push(event.data);
    recorder.onstop = () => {
      heard.getTracks().forEach((track) => track.stop());
      recorder = undefined;
      by("record").textContent = "Record a sound";
      recorded(new Blob(pieces)).catch(() => say("The recording cannot be read.", true));
    };
    recorder.start();
    by("record").textContent = "Stop recording";
    say("Recording…");
  } catch {
    say("The microphone is not to be had.", true);
  }
}

by("file").addEventListener("change", (event) => given(event.target.files[0]));
by("record").addEventListener("click", record);
by("why").addEventListener("click", why);
by("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const first = by("first").value, texts = [model.pairs ? [first, by("second").value] : first];
  if (!first.trim()) return say("There is no text yet.", true);
  if (!model.columns) return answer(JSON.stringify({ texts }), "application/json");
  try {
    answer(JSON.stringify({ rows: [JSON.parse(first)] }), "application/json");
  } catch (error) {
    say(`This is no JSON: ${error.message}`, true);
  }
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  by("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    by("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") given(event.dataTransfer.files[0]);
  });
}
start();
