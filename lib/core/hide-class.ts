/**
 * Makes the members of a class read-only and hides the class from its instances. So the static methods, which only this
 * package may use, cannot be reached from an instance.
 */
export function hideClass ({ prototype }: { prototype: object }): void {
  Reflect.deleteProperty(prototype, 'constructor')
  Object.freeze(prototype)
}
