//! Powers of ten as rounded 64-bit mantissas.

/// `mantissa * 2^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scaled {
    pub mantissa: u64,
    pub exponent: i32,
}

/// The exponent of the first power.
pub(super) const FIRST_POWER: i32 = -348;
/// The distance between two of them.
pub(super) const STEP: i32 = 8;

const fn scaled(mantissa: u64, exponent: i32) -> Scaled {
    Scaled { mantissa, exponent }
}

/// `10^(FIRST_POWER + i * STEP)`, each rounded to nearest with the top bit set. A test computes them anew.
pub(super) const POWERS: [Scaled; 87] = [
    scaled(0xfa8f_d5a0_081c_0288, -1220),
    scaled(0xbaae_e17f_a23e_bf76, -1193),
    scaled(0x8b16_fb20_3055_ac76, -1166),
    scaled(0xcf42_894a_5dce_35ea, -1140),
    scaled(0x9a6b_b0aa_5565_3b2d, -1113),
    scaled(0xe61a_cf03_3d1a_45df, -1087),
    scaled(0xab70_fe17_c79a_c6ca, -1060),
    scaled(0xff77_b1fc_bebc_dc4f, -1034),
    scaled(0xbe56_91ef_416b_d60c, -1007),
    scaled(0x8dd0_1fad_907f_fc3c, -980),
    scaled(0xd351_5c28_3155_9a83, -954),
    scaled(0x9d71_ac8f_ada6_c9b5, -927),
    scaled(0xea9c_2277_23ee_8bcb, -901),
    scaled(0xaecc_4991_4078_536d, -874),
    scaled(0x823c_1279_5db6_ce57, -847),
    scaled(0xc210_9436_4dfb_5637, -821),
    scaled(0x9096_ea6f_3848_984f, -794),
    scaled(0xd774_85cb_2582_3ac7, -768),
    scaled(0xa086_cfcd_97bf_97f4, -741),
    scaled(0xef34_0a98_172a_ace5, -715),
    scaled(0xb238_67fb_2a35_b28e, -688),
    scaled(0x84c8_d4df_d2c6_3f3b, -661),
    scaled(0xc5dd_4427_1ad3_cdba, -635),
    scaled(0x936b_9fce_bb25_c996, -608),
    scaled(0xdbac_6c24_7d62_a584, -582),
    scaled(0xa3ab_6658_0d5f_daf6, -555),
    scaled(0xf3e2_f893_dec3_f126, -529),
    scaled(0xb5b5_ada8_aaff_80b8, -502),
    scaled(0x8762_5f05_6c7c_4a8b, -475),
    scaled(0xc9bc_ff60_34c1_3053, -449),
    scaled(0x964e_858c_91ba_2655, -422),
    scaled(0xdff9_7724_7029_7ebd, -396),
    scaled(0xa6df_bd9f_b8e5_b88f, -369),
    scaled(0xf8a9_5fcf_8874_7d94, -343),
    scaled(0xb944_7093_8fa8_9bcf, -316),
    scaled(0x8a08_f0f8_bf0f_156b, -289),
    scaled(0xcdb0_2555_6531_31b6, -263),
    scaled(0x993f_e2c6_d07b_7fac, -236),
    scaled(0xe45c_10c4_2a2b_3b06, -210),
    scaled(0xaa24_2499_6973_92d3, -183),
    scaled(0xfd87_b5f2_8300_ca0e, -157),
    scaled(0xbce5_0864_9211_1aeb, -130),
    scaled(0x8cbc_cc09_6f50_88cc, -103),
    scaled(0xd1b7_1758_e219_652c, -77),
    scaled(0x9c40_0000_0000_0000, -50),
    scaled(0xe8d4_a510_0000_0000, -24),
    scaled(0xad78_ebc5_ac62_0000, 3),
    scaled(0x813f_3978_f894_0984, 30),
    scaled(0xc097_ce7b_c907_15b3, 56),
    scaled(0x8f7e_32ce_7bea_5c70, 83),
    scaled(0xd5d2_38a4_abe9_8068, 109),
    scaled(0x9f4f_2726_179a_2245, 136),
    scaled(0xed63_a231_d4c4_fb27, 162),
    scaled(0xb0de_6538_8cc8_ada8, 189),
    scaled(0x83c7_088e_1aab_65db, 216),
    scaled(0xc45d_1df9_4271_1d9a, 242),
    scaled(0x924d_692c_a61b_e758, 269),
    scaled(0xda01_ee64_1a70_8dea, 295),
    scaled(0xa26d_a399_9aef_774a, 322),
    scaled(0xf209_787b_b47d_6b85, 348),
    scaled(0xb454_e4a1_79dd_1877, 375),
    scaled(0x865b_8692_5b9b_c5c2, 402),
    scaled(0xc835_53c5_c896_5d3d, 428),
    scaled(0x952a_b45c_fa97_a0b3, 455),
    scaled(0xde46_9fbd_99a0_5fe3, 481),
    scaled(0xa59b_c234_db39_8c25, 508),
    scaled(0xf6c6_9a72_a398_9f5c, 534),
    scaled(0xb7dc_bf53_54e9_bece, 561),
    scaled(0x88fc_f317_f222_41e2, 588),
    scaled(0xcc20_ce9b_d35c_78a5, 614),
    scaled(0x9816_5af3_7b21_53df, 641),
    scaled(0xe2a0_b5dc_971f_303a, 667),
    scaled(0xa8d9_d153_5ce3_b396, 694),
    scaled(0xfb9b_7cd9_a4a7_443c, 720),
    scaled(0xbb76_4c4c_a7a4_4410, 747),
    scaled(0x8bab_8eef_b640_9c1a, 774),
    scaled(0xd01f_ef10_a657_842c, 800),
    scaled(0x9b10_a4e5_e991_3129, 827),
    scaled(0xe710_9bfb_a19c_0c9d, 853),
    scaled(0xac28_20d9_623b_f429, 880),
    scaled(0x8044_4b5e_7aa7_cf85, 907),
    scaled(0xbf21_e440_03ac_dd2d, 933),
    scaled(0x8e67_9c2f_5e44_ff8f, 960),
    scaled(0xd433_179d_9c8c_b841, 986),
    scaled(0x9e19_db92_b4e3_1ba9, 1013),
    scaled(0xeb96_bf6e_badf_77d9, 1039),
    scaled(0xaf87_023b_9bf0_ee6b, 1066),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::big_natural::BigNatural;

    /// Whether `mantissa * 2^exponent` is at most half a unit of the mantissa away from `10^power`.
    fn is_nearest(power: i32, number: Scaled) -> bool {
        // Everything doubled, so that half a unit is one: |2 * mantissa * 2^e - 2 * 10^p| <= 2^e.
        let side = |ten: u32, two: u32, factor: u64| {
            let mut side = BigNatural::from(factor);
            side.mul_pow10(ten);
            side.shift_left(two);
            side
        };
        let (tens, below) = (power.max(0).unsigned_abs(), (-power).max(0).unsigned_abs());
        let (twos, halves) = (
            number.exponent.max(0).unsigned_abs(),
            (-number.exponent).max(0).unsigned_abs(),
        );
        let exact = side(tens, halves + 1, 1);
        // The mantissas half a unit away; twice the top mantissa and one fits 128 bits but not 64.
        let mut low = side(below, twos + 1, number.mantissa);
        low.subtract(&side(below, twos, 1));
        let low_enough = low <= exact;
        let mut rest = exact;
        if !low_enough {
            return false;
        }
        rest.subtract(&low);
        rest <= side(below, twos + 1, 1)
    }

    #[test]
    fn powers_are_the_nearest_mantissas() {
        for (i, number) in POWERS.iter().enumerate() {
            assert!(number.mantissa >> 63 == 1);
            assert!(is_nearest(FIRST_POWER + i as i32 * STEP, *number), "{i}");
        }
    }
}
