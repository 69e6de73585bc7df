// `sudo mlx …` with the HOME of a user: root's files in that folder would lock the user out.
#pragma once

namespace mlxr::cli {

// Says so on stderr, as long as that user has no data folder yet. To be called before anything is written.
void warn_before_root_takes_a_home();

}  // namespace mlxr::cli
