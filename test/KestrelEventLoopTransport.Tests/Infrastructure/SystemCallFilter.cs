using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>seccomp(2) filters of the calling thread and of those it starts. They cannot be taken off again.</summary>
internal static unsafe class SystemCallFilter
{
    private const int PR_SET_SECCOMP = 22;
    private const int PR_SET_NO_NEW_PRIVS = 38;
    private const int SECCOMP_MODE_FILTER = 2;
    private const uint SECCOMP_RET_ALLOW = 0x7FFF0000;
    private const uint SECCOMP_RET_ERRNO = 0x00050000;
    private const int ENOPROTOOPT = 92;

    // struct seccomp_data: number, processor, instruction pointer, six arguments of 64 bits.
    private const uint NumberOffset = 0;
    private const uint ArgumentOffset = 16;

    private const ushort LoadWord = 0x20;
    private const ushort JumpIfEqual = 0x15;
    private const ushort Return = 0x06;

    public static bool IsSupported => RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    /// <summary>
    /// From here on setsockopt(2) with this level and name fails as on a kernel that does not have the option.
    /// </summary>
    public static void RefuseSocketOption(int level, int name)
    {
        var setsockopt = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 54u : 208u;
        Instruction[] program =
        [
            new(LoadWord, NumberOffset),
            new(JumpIfEqual, setsockopt, otherwise: 5),
            new(LoadWord, ArgumentOffset + 8),
            new(JumpIfEqual, (uint)level, otherwise: 3),
            new(LoadWord, ArgumentOffset + 16),
            new(JumpIfEqual, (uint)name, otherwise: 1),
            new(Return, SECCOMP_RET_ERRNO | ENOPROTOOPT),
            new(Return, SECCOMP_RET_ALLOW),
        ];
        Install(program);
    }

    /// <summary>From here on accept4(2) fails like this.</summary>
    public static void FailAccept(int errno) => Fail(288, 242, errno);

    /// <summary>The same for epoll_ctl(2).</summary>
    public static void FailEpollControl(int errno) => Fail(233, 21, errno);

    private static void Fail(uint numberOnX64, uint numberOnArm64, int errno)
    {
        Install([
            new(LoadWord, NumberOffset),
            new(JumpIfEqual,
                RuntimeInformation.ProcessArchitecture == Architecture.X64 ? numberOnX64 : numberOnArm64,
                otherwise: 1),
            new(Return, SECCOMP_RET_ERRNO | (uint)errno),
            new(Return, SECCOMP_RET_ALLOW),
        ]);
    }

    private static void Install(Instruction[] program)
    {
        fixed (Instruction* instructions = program)
        {
            var filter = new Program { Length = (ushort)program.Length, Instructions = instructions };
            Assert.Equal(0, Libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
            Assert.Equal(0, Libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (nuint)(&filter), 0, 0));
        }
    }

    private struct Program
    {
        public ushort Length;
        public Instruction* Instructions;
    }

    private readonly struct Instruction(ushort code, uint operand, byte otherwise = 0)
    {
        public readonly ushort Code = code;
        public readonly byte JumpIfTrue = 0;
        public readonly byte JumpIfFalse = otherwise;
        public readonly uint Operand = operand;
    }
}
