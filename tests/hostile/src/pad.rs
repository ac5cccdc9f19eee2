//! Components that are larger than they need to be.

/// `component` with a custom section that nobody reads, in all `size` bytes long: what debug information does to one.
///
/// # Panics
///
/// When it has nearly that size already.
#[must_use]
pub fn pad(component: &[u8], size: usize) -> Vec<u8> {
    const NAME: &[u8] = b"\x07padding";
    // The section's id and the length of its content: five bytes of LEB128, however small it is.
    let content = size.checked_sub(component.len() + 6);
    let content = content.filter(|&content| content >= NAME.len());
    let content = content.expect("there is room for a section");
    let length = u32::try_from(content).expect("a section has 32 bits of length");
    let mut padded = component.to_vec();
    padded.push(0);
    for shift in [0, 7, 14, 21, 28] {
        let group = u8::try_from(length >> shift & 0x7f).expect("seven bits fit");
        padded.push(if shift < 28 { group | 0x80 } else { group });
    }
    padded.extend(NAME);
    padded.resize(size, 0);
    padded
}
