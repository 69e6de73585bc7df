# Stands for Homebrew: ruby homebrew.rb FILE [UNPACKED KEG]
# Prints what a formula or a cask says, as JSON; with a formula, UNPACKED and KEG, it also installs from the one folder into the other.
require "fileutils"
require "json"
require "pathname"

class Folder < Pathname
  def install(*sources)
    mkpath
    sources.flatten.each { |source| FileUtils.mv(source, self) }
  end

  def install_symlink(*targets)
    mkpath
    targets.each { |target| FileUtils.ln_s(target, self/File.basename(target)) }
  end

  def /(other) = Folder.new(super)
end

# Inside of a block such as `service do`: a word with a value is written down, one without is a folder of Homebrew's.
class Block < BasicObject
  def initialize(told) = @told = told
  def method_missing(word, *values, **named)
    return ::Pathname.new(word.to_s) if values.empty? && named.empty?
    @told[word] = named.empty? ? values[0] : named
  end
end

class Formula
  include FileUtils
  TOLD = {}
  FOLDERS = { bin: "bin", libexec: "libexec", man1: "share/man/man1", man8: "share/man/man8", bash_completion: "etc/bash_completion.d",
              zsh_completion: "share/zsh/site-functions", fish_completion: "share/fish/vendor_completions.d" }
  FOLDERS.each { |name, folder| define_method(name) { Folder.new(ARGV[2])/folder } }

  %i[desc homepage url sha256 license depends_on conflicts_with preserve_rpath name app binary manpage bash_completion fish_completion
     zsh_completion auto_updates uninstall zap].each do |word|
    define_singleton_method(word) { |*values, **named| (TOLD[word] ||= []).concat(values).concat(named.empty? ? [] : [named]) }
  end
  %i[service livecheck].each { |word| define_singleton_method(word) { |&block| Block.new(TOLD[word] = {}).instance_eval(&block) } }
  def self.test; end
  def self.version(value = nil) = value ? TOLD[:version] = [value] : TOLD[:version][0]
  def self.appdir = "/Applications"
end

def cask(_name, &block) = Formula.class_eval(&block)
load ARGV[0]
Dir.chdir(ARGV[1]) { Mlxrunner.new.install } if ARGV[1]
puts JSON.generate(Formula::TOLD)
