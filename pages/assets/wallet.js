export function wallet() {}
