//! What a rotation costs in requests: GitHub counts them, and a fleet multiplies them.

use keyrotor_fake::Dialect;

use crate::harness::Setting;

fn requests_of(setting: Setting) -> usize {
    let stage = setting.stage();
    assert_eq!(stage.run().status(), 0);
    stage.check_healed().unwrap();
    stage.world.requests().len()
}

#[test]
fn a_rotation_of_one_target_takes_18_requests() {
    assert_eq!(requests_of(Setting::new(Dialect::Mgmt)), 18);
}

/// One shows whether it lives. Whose the new value is need not be asked then. In the end three try it, beside one that
/// tries the new key.
#[test]
fn current_key_takes_four_more() {
    assert_eq!(requests_of(Setting::new(Dialect::Mgmt).with_current_key()), 22);
}

#[test]
fn a_key_that_manages_itself_takes_22() {
    assert_eq!(requests_of(Setting::new(Dialect::Guide).with_current_key()), 22);
}

#[test]
fn another_target_takes_four_more() {
    assert_eq!(requests_of(Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"])), 22);
}
