//! An array that grows as the kernel's vectors do, counts its bytes, and may fail to grow.

use std::cell::Cell;

use crate::cookies::Array;

thread_local! {
    /// How many more allocations succeed; all, if none is set.
    pub static MEMORY: Cell<Option<usize>> = const { Cell::new(None) };
    /// Bytes in arrays.
    pub static IN_USE: Cell<usize> = const { Cell::new(0) };
}

#[derive(Debug, PartialEq, Eq)]
pub struct NoMemory;

pub struct Counted<T>(Vec<T>);

impl<T> Counted<T> {
    fn bytes(capacity: usize) -> usize {
        capacity * size_of::<T>()
    }

    fn move_to(&mut self, capacity: usize) -> Result<(), NoMemory> {
        match MEMORY.get() {
            Some(0) => return Err(NoMemory),
            Some(left) => MEMORY.set(Some(left - 1)),
            None => {}
        }
        let mut moved = Vec::with_capacity(capacity);
        moved.append(&mut self.0);
        IN_USE.set(IN_USE.get() - Self::bytes(self.0.capacity()) + Self::bytes(moved.capacity()));
        self.0 = moved;
        Ok(())
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        IN_USE.set(IN_USE.get() - Self::bytes(self.0.capacity()));
    }
}

impl<T> std::ops::Deref for Counted<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> std::ops::DerefMut for Counted<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> Array<T> for Counted<T> {
    type Error = NoMemory;

    fn new() -> Self {
        Counted(Vec::new())
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }

    fn reserve(&mut self, additional: usize) -> Result<(), NoMemory> {
        let needed = self.0.len() + additional;
        if needed <= self.0.capacity() {
            return Ok(());
        }
        self.move_to(needed.max(2 * self.0.capacity()))
    }

    fn shrink(&mut self, capacity: usize) {
        if capacity < self.0.capacity() {
            let _ = self.move_to(capacity.max(self.0.len()));
        }
    }

    fn push(&mut self, value: T) -> bool {
        self.insert(self.0.len(), value)
    }

    fn insert(&mut self, at: usize, value: T) -> bool {
        let fits = self.0.len() < self.0.capacity();
        if fits {
            self.0.insert(at, value);
        }
        fits
    }

    fn remove(&mut self, at: usize) {
        self.0.remove(at);
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn pause() {}
}
