export { fromResources, type TypedResource } from './from-resources.ts';
export { type Translated, Translator } from './translator.ts';
