// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.0;

// A stand-in for the set of spans on L2, written for one test. It keeps the real contract's events, but none
// of its state and checks: nothing asks it afterwards.
contract MetisSequencerSet {
    event Initialized(uint8 version);
    event NewEpoch(uint256 indexed epochId, uint256 startBlock, uint256 endBlock, address signer);
    event ReCommitEpoch(
        uint256 indexed oldEpochId,
        uint256 indexed newEpochId,
        uint256 curEpochId,
        uint256 startBlock,
        uint256 endBlock,
        address newSigner
    );
    event EpochUpdated(uint256 _newLength);
    event MpcAddressUpdated(address _newMpcAddress);

    constructor(address mpc, uint256 length) {
        emit MpcAddressUpdated(mpc);
        emit EpochUpdated(length);
        emit Initialized(1);
    }

    function commitEpoch(uint256 newId, uint256 startBlock, uint256 endBlock, address signer) external {
        emit NewEpoch(newId, startBlock, endBlock, signer);
    }

    function recommitEpoch(
        uint256 oldId,
        uint256 newId,
        uint256 curId,
        uint256 startBlock,
        uint256 endBlock,
        address newSigner
    ) external {
        emit ReCommitEpoch(oldId, newId, curId, startBlock, endBlock, newSigner);
    }
}
