import { seededRandom } from "./statistics.ts";

/**
 * Deals `people` into rooms so that everybody is in `roomsEach` of them and every room has `size`: as many deals as rooms each, every
 * deal shuffled anew. @returns per room the places of its members
 */
export function dealRooms(people: number, roomsEach: number, size: number, seed: number): number[][] {
  const random = seededRandom(seed);
  const rooms: number[][] = [];
  for (let deal = 0; deal < roomsEach; deal++) {
    const places = Array.from({ length: people }, (_, place) => place);
    for (let last = places.length - 1; last > 0; last--) {
      const other = Math.floor(random() * (last + 1));
      [places[last], places[other]] = [places[other] ?? 0, places[last] ?? 0];
    }
    for (let at = 0; at < places.length; at += size) rooms.push(places.slice(at, at + size));
  }
  return rooms;
}

/** The other way round: per place the numbers of its rooms. */
export function roomsByPlace(rooms: readonly (readonly number[])[], people: number): number[][] {
  const byPlace: number[][] = Array.from({ length: people }, () => []);
  rooms.forEach((places, room) => {
    for (const place of places) byPlace[place]?.push(room);
  });
  return byPlace;
}
